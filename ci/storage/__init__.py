"""Tables from outside the repository, and back: folders, S3-compatible storage, HTTP, PostgreSQL.

Credentials are the drivers' own business: no code here reads or writes one.
"""
