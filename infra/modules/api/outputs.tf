output "url" {
  description = "Where the API answers; known only when it has been made."
  value       = aws_apigatewayv2_stage.this.invoke_url
}

output "function_arn" {
  description = "The function."
  value       = aws_lambda_function.this.arn
}

output "id" {
  description = "The API's id; known only when it has been made."
  value       = aws_apigatewayv2_api.this.id
}
