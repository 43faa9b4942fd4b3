// Drives aliyun-oss-go-sdk v3: one JSON job on stdin, one JSON answer as the last line of stdout.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
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
	PartNumber     int
	ExpiresSeconds int64
}

type answer map[string]any

func bucketFor(j job, options ...oss.ClientOption) (*oss.Bucket, error) {
	if j.Signature == "v1" {
		options = append(options, oss.AuthVersion(oss.AuthV1))
	}
	return bucketOf(j.Issued, options...)
}

func putURL(j job) (answer, error) {
	return answer{}, putPart(j.Part, j.File, j.PartSizeBytes)
}

// cutAfter is a network that fails for good after some UploadPart requests.
type cutAfter struct {
	parts int
}

var errCut = errors.New("interrupted")

func (c *cutAfter) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Has("partNumber") {
		if c.parts == 0 {
			return nil, errCut
		}
		c.parts--
	}
	return http.DefaultTransport.RoundTrip(request)
}

// uploadFile is cut after some parts if there is a network that does it; then other credentials bring it to its end.
func uploadFile(j job, network *cutAfter) error {
	directory, err := os.MkdirTemp("", "checkpoints-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	checkpoint := filepath.Join(directory, "upload.cp")
	if network != nil {
		cut, err := bucketFor(j, oss.HTTPClient(&http.Client{Transport: network}))
		if err != nil {
			return err
		}
		if err := upload(cut, j.Issued.Key, j.File, j.PartSizeBytes, checkpoint); !errors.Is(err, errCut) {
			return fmt.Errorf("not interrupted: %w", err)
		}
		j.Issued = j.Again
	}
	bucket, err := bucketFor(j)
	if err != nil {
		return err
	}
	return upload(bucket, j.Issued.Key, j.File, j.PartSizeBytes, checkpoint)
}

func uploadOnce(j job) (answer, error) {
	return answer{}, uploadFile(j, nil)
}

func resume(j job) (answer, error) {
	return answer{"resumed": true}, uploadFile(j, &cutAfter{parts: 2})
}

func begin(j job) (answer, error) {
	bucket, err := bucketFor(j)
	if err != nil {
		return nil, err
	}
	begun, err := bucket.InitiateMultipartUpload(j.Issued.Key)
	if err != nil {
		return nil, err
	}
	_, err = bucket.UploadPartFromFile(begun, j.File, 0, j.PartSizeBytes, 1)
	return answer{"uploadId": begun.UploadID}, err
}

func begunOf(j job) oss.InitiateMultipartUploadResult {
	return oss.InitiateMultipartUploadResult{Bucket: j.Issued.Bucket, Key: j.Issued.Key, UploadID: j.UploadID}
}

func abort(j job) (answer, error) {
	bucket, err := bucketFor(j)
	if err != nil {
		return nil, err
	}
	return answer{}, bucket.AbortMultipartUpload(begunOf(j))
}

func list(j job) (answer, error) {
	bucket, err := bucketFor(j)
	if err != nil {
		return nil, err
	}
	listed, err := bucket.ListUploadedParts(begunOf(j))
	return answer{"partCount": len(listed.UploadedParts)}, err
}

func presignPart(j job) (answer, error) {
	bucket, err := bucketFor(j)
	if err != nil {
		return nil, err
	}
	url, err := bucket.SignURL(j.Issued.Key, oss.HTTPPut, j.ExpiresSeconds,
		oss.AddParam("partNumber", strconv.Itoa(j.PartNumber)),
		oss.AddParam("uploadId", j.UploadID))
	return answer{"url": url}, err
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
	var refused oss.ServiceError
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
