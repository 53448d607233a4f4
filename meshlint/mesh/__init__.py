"""What the mesh does with the input: installations, injection, effective proxies, autoscaling."""
