"""Contracts: `model.yaml`, `dataset.yaml` and policies as typed objects."""
