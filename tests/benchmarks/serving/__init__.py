"""Our service in three languages against what people would run instead, side by side."""
