// Drives aliyun-oss-go-sdk v3: one JSON job on stdin, one JSON answer as the last line of stdout.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
)

type job struct {
	Action          string
	URL             string
	Headers         map[string]string
	Endpoint        string
	Region          string
	Bucket          string
	Key             string
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Signature       string
	File            string
	Offset          int64
	SizeBytes       int64
	PartSizeBytes   int64
	UploadID        string `json:"uploadId"`
	PartNumber      int
	ExpiresSeconds  int64
}

type answer map[string]any

// snippet: client-with-sts
func bucketOf(j job, options ...oss.ClientOption) (*oss.Bucket, error) {
	version := oss.AuthV4
	if j.Signature == "v1" {
		version = oss.AuthV1
	}
	options = append(options, oss.Region(j.Region), oss.AuthVersion(version))
	if j.SessionToken != "" {
		options = append(options, oss.SecurityToken(j.SessionToken))
	}
	client, err := oss.New(j.Endpoint, j.AccessKeyID, j.SecretAccessKey, options...)
	if err != nil {
		return nil, err
	}
	return client.Bucket(j.Bucket)
}

// end

// snippet: put-part-by-url
func putURL(j job) (answer, error) {
	// The URL carries the signature; endpoint, key and bucket name are not used.
	client, err := oss.New("http://unused.invalid", "", "")
	if err != nil {
		return nil, err
	}
	bucket, err := client.Bucket("unused")
	if err != nil {
		return nil, err
	}
	file, err := os.Open(j.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(j.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	var received http.Header
	options := []oss.Option{oss.GetResponseHeader(&received)}
	for name, value := range j.Headers {
		options = append(options, oss.SetHeader(name, value))
	}
	// A LimitedReader tells the SDK how many bytes there are: it sends Content-Length instead of chunks.
	if err := bucket.PutObjectWithURL(j.URL, io.LimitReader(file, j.SizeBytes), options...); err != nil {
		return nil, err
	}
	return answer{"status": http.StatusOK, "etag": unquoted(received.Get("ETag"))}, nil
}

// end

// snippet: upload-with-sts
func upload(j job) (answer, error) {
	bucket, err := bucketOf(j)
	if err != nil {
		return nil, err
	}
	return answer{}, bucket.UploadFile(j.Key, j.File, j.PartSizeBytes, oss.Routines(3))
}

// end

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

func resume(j job) (answer, error) {
	directory, err := os.MkdirTemp("", "checkpoints-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	checkpoint := oss.Checkpoint(true, filepath.Join(directory, "upload.cp"))

	cut, err := bucketOf(j, oss.HTTPClient(&http.Client{Transport: &cutAfter{parts: 2}}))
	if err != nil {
		return nil, err
	}
	if err := cut.UploadFile(j.Key, j.File, j.PartSizeBytes, checkpoint); !errors.Is(err, errCut) {
		return nil, fmt.Errorf("not interrupted: %w", err)
	}

	bucket, err := bucketOf(j)
	if err != nil {
		return nil, err
	}
	if err := bucket.UploadFile(j.Key, j.File, j.PartSizeBytes, checkpoint); err != nil {
		return nil, err
	}
	return answer{"resumed": true}, nil
}

func abort(j job) (answer, error) {
	bucket, err := bucketOf(j)
	if err != nil {
		return nil, err
	}
	upload, err := bucket.InitiateMultipartUpload(j.Key)
	if err != nil {
		return nil, err
	}
	if _, err := bucket.UploadPartFromFile(upload, j.File, 0, j.PartSizeBytes, 1); err != nil {
		return nil, err
	}
	if err := bucket.AbortMultipartUpload(upload); err != nil {
		return nil, err
	}
	_, err = bucket.ListUploadedParts(upload)
	var refused oss.ServiceError
	if errors.As(err, &refused) {
		return answer{"code": refused.Code}, nil
	}
	return answer{"code": ""}, err
}

func presignPart(j job) (answer, error) {
	bucket, err := bucketOf(j)
	if err != nil {
		return nil, err
	}
	url, err := bucket.SignURL(j.Key, oss.HTTPPut, j.ExpiresSeconds,
		oss.AddParam("partNumber", strconv.Itoa(j.PartNumber)),
		oss.AddParam("uploadId", j.UploadID))
	return answer{"url": url}, err
}

func unquoted(etag string) string {
	return strings.Trim(etag, `"`)
}

var actions = map[string]func(job) (answer, error){
	"put-url":      putURL,
	"upload":       upload,
	"resume":       resume,
	"abort":        abort,
	"presign-part": presignPart,
}

func errorOf(err error) answer {
	var refused oss.ServiceError
	if errors.As(err, &refused) {
		return answer{"code": refused.Code, "status": refused.StatusCode, "message": refused.Message}
	}
	return answer{"code": "", "status": 0, "message": err.Error()}
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
