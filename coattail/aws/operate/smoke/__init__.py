"""Thirteen checks of an environment that runs: on AWS, or on an emulation of it that begins and ends with them.

- `run`         one check after the other, and what each came to
- `account`     credentials, region and quota; apply and a second, empty plan
- `jobs`        what a job finds where it runs
- `race`        four writers of one table
- `market`      a simulated market through the stream; a job that is cancelled and started again
- `questions`   the API, Athena and what an analyst may see
- `closing`     the workflow, metrics and alarms; the proof of a stop, and the receipt
"""
