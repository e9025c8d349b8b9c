"""What can be learned about a device, its CA and the pipeline: each fact once, from AWS, read-only."""
