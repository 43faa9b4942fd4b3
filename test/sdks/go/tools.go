//go:build tools

// Makes go.mod and go.sum pin ossutil, the command-line client, together with the SDK.
package main

import _ "github.com/aliyun/ossutil"
