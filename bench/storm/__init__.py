"""The storm benchmark: a whole fleet is switched on at once, in an account with AWS's default quotas."""
