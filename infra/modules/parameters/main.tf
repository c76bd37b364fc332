# Where everything is, as settings of coattail. None of it is secret: whoever may read the path needs no key for it.

resource "aws_ssm_parameter" "this" {
  for_each = var.values

  name           = "${var.path}/${each.key}"
  type           = "String"
  insecure_value = each.value
}
