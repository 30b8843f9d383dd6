"""Drift checks with NannyML: has the world moved away from what the model learned?"""
