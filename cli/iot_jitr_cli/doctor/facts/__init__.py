"""The facts about a device, its CA and the pipeline: each is read from AWS once."""
