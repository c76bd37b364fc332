# Where the state is, is said at init, by -backend-config: bucket, key and region. The lock is a file beside the state.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
