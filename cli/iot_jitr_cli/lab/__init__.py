"""The local cloud: MiniStack as a child process, with this project's stack in it, deployed by the CDK."""
