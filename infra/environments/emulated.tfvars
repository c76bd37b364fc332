# On an emulation of AWS on this machine; -var endpoint=http://127.0.0.1:PORT says where.
environment       = "emulated"
account_id        = "000000000000"
region            = "us-east-1"
tier              = "small"
force_destroy     = true
key_deletion_days = 7
