"""What an environment on AWS costs by list prices: pure functions over a table of prices, and nothing is asked.

- `streams`   what is landed and asked for in an hour, with what was measured of it
- `standing`  resources of a Terraform plan -> what they cost used or not; a type that nobody has priced is an error
- `running`   a stream and a tier -> what an hour of streaming uses
- `estimate`  both together: for a plan (`cost_of_plan`), for a tier (`cost_of_tier`)
- `receipts`  what jobs have used, as EMR Serverless billed it, beside the estimate

docs/COST.md; every sum there is an estimate, a receipt's quantities are what the service has billed.
"""
