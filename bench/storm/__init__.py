"""The storm benchmark: a whole fleet switched on at once, against an account with AWS's default quotas."""
