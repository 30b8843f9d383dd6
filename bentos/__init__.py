"""What is served: frames, the workers that run a model's code, and the service around them."""
