"""OCI images of packaged models, through any engine that speaks Docker's API."""

from ci.images.bases import lock
from ci.images.image import Image, build_image

__all__ = ["Image", "build_image", "lock"]
