// Calls an endpoint that refuses, with clients of the AWS SDK for Go v2 for DynamoDB and SQS, and prints what each
// raises: one JSON line each, as ../python/botocore_refusals.py does.
//
// Arguments: the endpoint, and codes of refusals. The access key ID of a call says which code is expected.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

type raised struct {
	AwsCode      string `json:"awsCode"`
	Message      string `json:"message"`
	Status       int    `json:"status"`
	RequestID    string `json:"requestId"`
	ValetkeyCode string `json:"valetkeyCode"`
	Refusal      string `json:"refusal"`
}

type line struct {
	Code     string  `json:"code"`
	Protocol string  `json:"protocol"`
	Service  string  `json:"service"`
	Raised   *raised `json:"raised"`
}

func main() {
	if err := serve(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(endpoint string, codes []string) error {
	out := json.NewEncoder(os.Stdout)
	for _, code := range codes {
		config := aws.Config{
			Region:           "eu-central-1",
			BaseEndpoint:     &endpoint,
			Credentials:      credentials.NewStaticCredentialsProvider(code, "secret", ""),
			RetryMaxAttempts: 1,
		}
		lines := []line{
			{code, "json 1.0", "dynamodb", read(callDynamoDB(config))},
			{code, "json with query errors", "sqs", read(callSQS(config))},
		}
		for _, each := range lines {
			if err := out.Encode(each); err != nil {
				return err
			}
		}
	}
	return nil
}

func callDynamoDB(config aws.Config) error {
	key := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "1"}}
	input := &dynamodb.GetItemInput{TableName: aws.String("orders"), Key: key}
	_, err := dynamodb.NewFromConfig(config).GetItem(context.Background(), input)
	return err
}

func callSQS(config aws.Config) error {
	input := &sqs.SendMessageInput{QueueUrl: aws.String("http://h/1/q"), MessageBody: aws.String("m")}
	_, err := sqs.NewFromConfig(config).SendMessage(context.Background(), input)
	return err
}

// read returns nil for what is no error of AWS.
func read(err error) *raised {
	var api smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		return nil
	}
	header := response.Response.Header
	return &raised{
		AwsCode:      api.ErrorCode(),
		Message:      api.ErrorMessage(),
		Status:       response.HTTPStatusCode(),
		RequestID:    response.ServiceRequestID(),
		ValetkeyCode: header.Get("x-valetkey-code"),
		Refusal:      header.Get("x-valetkey-refusal"),
	}
}
