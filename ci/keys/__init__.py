"""API keys of departments: made, listed, rotated and revoked; only salted hashes are kept."""

from ci.keys.keys import Key, Made, keys, make, own_key, revoke, rotate, take_over_policy

__all__ = ["Key", "Made", "keys", "make", "own_key", "revoke", "rotate", "take_over_policy"]
