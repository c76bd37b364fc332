# account_id is given by whoever applies it: TF_VAR_account_id=… or -var account_id=…
environment = "dev"
region      = "us-west-2"
tier        = "small"
