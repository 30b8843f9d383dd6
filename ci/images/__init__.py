"""OCI images of packaged models, through any engine that speaks Docker's API."""
