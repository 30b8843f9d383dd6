"""What proves that a release is what was reviewed: signatures, and GitHub's attestations."""
