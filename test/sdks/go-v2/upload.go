// Uploads with alibabacloud-oss-go-sdk-v2, with credentials or to part URLs. docs/clients.md shows it, the tests run it:
// keep it fit to copy.
package main

// snippet: upload
import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

// Issued is what POST /v1/credentials answered.
type Issued struct {
	Endpoint, Region, Bucket, Key              string
	AccessKeyID, SecretAccessKey, SessionToken string
}

// Part is one of the parts that POST /v1/uploads answered.
type Part struct {
	PartNumber int64
	URL        string
	Headers    map[string]string
	SizeBytes  int64
}

// configOf takes what POST /v1/credentials answered; oss.NewClient makes a client of it.
func configOf(issued Issued) *oss.Config {
	return oss.LoadDefaultConfig().
		WithEndpoint(issued.Endpoint).
		WithRegion(issued.Region).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
			issued.AccessKeyID, issued.SecretAccessKey, issued.SessionToken))
}

// upload goes on where it was cut when it is called again with the same checkpoint directory.
func upload(client *oss.Client, issued Issued, file string, partSize int64, checkpoints string) error {
	uploader := client.NewUploader(func(options *oss.UploaderOptions) {
		options.PartSize = partSize
		options.EnableCheckpoint = true
		options.CheckpointDir = checkpoints
	})
	request := &oss.PutObjectRequest{Bucket: oss.Ptr(issued.Bucket), Key: oss.Ptr(issued.Key)}
	_, err := uploader.UploadFile(context.TODO(), request, file)
	return err
}

// putPart sends one part; the plan that POST /v1/uploads answered has the size of all but the last.
func putPart(part Part, file string, partSize int64) error {
	source, err := os.Open(file)
	if err != nil {
		return err
	}
	defer source.Close()
	content := io.NewSectionReader(source, (part.PartNumber-1)*partSize, part.SizeBytes)
	// The SDK has no call that takes a URL. Go's own client adds no Content-Type, so the signature holds.
	request, err := http.NewRequest(http.MethodPut, part.URL, content)
	if err != nil {
		return err
	}
	// Without it Go sends chunks.
	request.ContentLength = part.SizeBytes
	for name, value := range part.Headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("part %d: %s %s", part.PartNumber, answer.Status, message)
	}
	return nil
}

// end
