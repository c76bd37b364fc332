"""An environment on AWS from its beginning to its end: made, started, looked at, stopped and removed.

- `environment`  what is known of one: account, region, tier; and where its files are, below the home
- `account`      who signs, and clients of services
- `states`       the bucket of Terraform's state
- `copy`         the working copy of infra/, and how Terraform runs on it
- `said`         what Terraform says, line by line
- `refusals`     its errors, each as a sentence with the next step
- `billed`       what costs money by the hour, as the services themselves say
- `planning`     made known, and what a start would change and cost
- `packing`      what it runs, packed here
- `steps`        each looks first whether it is done
- `starting`, `stopping`, `cleaning`, `demo`   from one step to the next
- `waiting`, `standing`   what has not landed, and how it is doing
- `smoke`        thirteen checks of it
"""
