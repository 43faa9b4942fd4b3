// Uploads with aliyun-oss-go-sdk, with credentials or to part URLs. docs/clients.md shows it, the tests run it: keep it
// fit to copy.
package main

// snippet: upload
import (
	"io"
	"os"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
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

func bucketOf(issued Issued, options ...oss.ClientOption) (*oss.Bucket, error) {
	options = append([]oss.ClientOption{
		oss.Region(issued.Region),
		oss.AuthVersion(oss.AuthV4),
		oss.SecurityToken(issued.SessionToken),
	}, options...)
	client, err := oss.New(issued.Endpoint, issued.AccessKeyID, issued.SecretAccessKey, options...)
	if err != nil {
		return nil, err
	}
	return client.Bucket(issued.Bucket)
}

// upload goes on where it was cut when it is called again with the same checkpoint file.
func upload(bucket *oss.Bucket, key, file string, partSize int64, checkpointFile string) error {
	return bucket.UploadFile(key, file, partSize, oss.Checkpoint(true, checkpointFile))
}

// putPart sends one part; the plan that POST /v1/uploads answered has the size of all but the last.
func putPart(part Part, file string, partSize int64) error {
	// The URL carries the signature; endpoint, key and bucket name are not used.
	client, err := oss.New("http://unused.invalid", "", "")
	if err != nil {
		return err
	}
	bucket, err := client.Bucket("unused")
	if err != nil {
		return err
	}
	source, err := os.Open(file)
	if err != nil {
		return err
	}
	defer source.Close()
	if _, err := source.Seek((part.PartNumber-1)*partSize, io.SeekStart); err != nil {
		return err
	}
	options := []oss.Option{}
	for name, value := range part.Headers {
		options = append(options, oss.SetHeader(name, value))
	}
	// A LimitedReader tells the SDK how many bytes there are: it sends Content-Length instead of chunks.
	return bucket.PutObjectWithURL(part.URL, io.LimitReader(source, part.SizeBytes), options...)
}

// end
