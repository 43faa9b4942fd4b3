// Drives alibabacloud-oss-go-sdk-v2: one JSON job on stdin, one JSON answer as the last line of stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

type job struct {
	Action         string
	Issued         Issued
	Again          Issued
	Part           Part
	Signature      string
	File           string
	PartSizeBytes  int64
	UploadID       string
	PartNumber     int32
	ExpiresSeconds int64
}

type answer map[string]any

func configFor(j job, issued Issued) *oss.Config {
	config := configOf(issued)
	if j.Signature == "v1" {
		config.WithSignatureVersion(oss.SignatureVersionV1)
	}
	return config
}

func clientFor(j job) *oss.Client {
	return oss.NewClient(configFor(j, j.Issued))
}

func putURL(j job) (answer, error) {
	return answer{}, putPart(j.Part, j.File, j.PartSizeBytes)
}

func uploadOnce(j job) (answer, error) {
	directory, err := os.MkdirTemp("", "checkpoints-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	return answer{}, upload(clientFor(j), j.Issued, j.File, j.PartSizeBytes, directory)
}

var errCut = errors.New("interrupted")

// cutAfterTwo is a network that fails for good once the first two parts are stored. The SDK sends three at a time and goes
// on from the last one without a gap.
type cutAfterTwo struct {
	stored sync.WaitGroup
	cut    atomic.Bool
}

func (c *cutAfterTwo) RoundTrip(request *http.Request) (*http.Response, error) {
	switch request.URL.Query().Get("partNumber") {
	case "":
	case "1", "2":
		defer c.stored.Done()
	default:
		c.stored.Wait()
		c.cut.Store(true)
		return nil, errCut
	}
	return http.DefaultTransport.RoundTrip(request)
}

// resume is cut after two parts; then other credentials bring the upload to its end.
func resume(j job) (answer, error) {
	directory, err := os.MkdirTemp("", "checkpoints-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	network := &cutAfterTwo{}
	network.stored.Add(2)
	config := configFor(j, j.Issued).WithHttpClient(&http.Client{Transport: network}).WithRetryMaxAttempts(1)
	err = upload(oss.NewClient(config), j.Issued, j.File, j.PartSizeBytes, directory)
	if err == nil || !network.cut.Load() {
		return nil, fmt.Errorf("not interrupted: %w", err)
	}
	client := oss.NewClient(configFor(j, j.Again))
	return answer{"resumed": true}, upload(client, j.Again, j.File, j.PartSizeBytes, directory)
}

func begin(j job) (answer, error) {
	client, bucket, key := clientFor(j), oss.Ptr(j.Issued.Bucket), oss.Ptr(j.Issued.Key)
	begun, err := client.InitiateMultipartUpload(context.TODO(),
		&oss.InitiateMultipartUploadRequest{Bucket: bucket, Key: key})
	if err != nil {
		return nil, err
	}
	source, err := os.Open(j.File)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	_, err = client.UploadPart(context.TODO(), &oss.UploadPartRequest{
		Bucket: bucket, Key: key, UploadId: begun.UploadId, PartNumber: 1,
		Body: io.NewSectionReader(source, 0, j.PartSizeBytes),
	})
	return answer{"uploadId": begun.UploadId}, err
}

func abort(j job) (answer, error) {
	_, err := clientFor(j).AbortMultipartUpload(context.TODO(), &oss.AbortMultipartUploadRequest{
		Bucket: oss.Ptr(j.Issued.Bucket), Key: oss.Ptr(j.Issued.Key), UploadId: oss.Ptr(j.UploadID),
	})
	return answer{}, err
}

func list(j job) (answer, error) {
	listed, err := clientFor(j).ListParts(context.TODO(), &oss.ListPartsRequest{
		Bucket: oss.Ptr(j.Issued.Bucket), Key: oss.Ptr(j.Issued.Key), UploadId: oss.Ptr(j.UploadID),
	})
	if err != nil {
		return nil, err
	}
	return answer{"partCount": len(listed.Parts)}, nil
}

func presignPart(j job) (answer, error) {
	request := &oss.UploadPartRequest{
		Bucket: oss.Ptr(j.Issued.Bucket), Key: oss.Ptr(j.Issued.Key), UploadId: oss.Ptr(j.UploadID), PartNumber: j.PartNumber,
	}
	lifetime := oss.PresignExpires(time.Duration(j.ExpiresSeconds) * time.Second)
	signed, err := clientFor(j).Presign(context.TODO(), request, lifetime)
	if err != nil {
		return nil, err
	}
	return answer{"url": signed.URL}, nil
}

var actions = map[string]func(job) (answer, error){
	"put-url":      putURL,
	"upload":       uploadOnce,
	"resume":       resume,
	"begin":        begin,
	"abort":        abort,
	"list":         list,
	"presign-part": presignPart,
}

func errorOf(err error) answer {
	var refused *oss.ServiceError
	if errors.As(err, &refused) {
		return answer{"code": refused.Code, "message": refused.Message}
	}
	return answer{"code": "", "message": err.Error()}
}

func main() {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		panic(err)
	}
	action, found := actions[j.Action]
	if !found {
		panic("no such action: " + j.Action)
	}
	a, err := action(j)
	if err != nil {
		a = answer{"error": errorOf(err)}
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
}
