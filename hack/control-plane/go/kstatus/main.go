// Reads Kubernetes objects (YAML documents or JSON, lists too) on standard input and says of each, one JSON object a
// line, what kstatus makes of its status: the judgement of Flux and of `helm --wait`.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type verdict struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Message   string `json:"message"`
}

func judge(object *unstructured.Unstructured, out *json.Encoder) error {
	result, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return out.Encode(verdict{
		Kind:      object.GetKind(),
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		Status:    result.Status.String(),
		Message:   result.Message,
	})
}

func run(in io.Reader, out *json.Encoder) error {
	documents := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for {
		var document runtime.RawExtension
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(document.Raw) == 0 || string(document.Raw) == "null" {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(document.Raw); err != nil {
			return err
		}
		if object.IsList() {
			err = object.EachListItem(func(item runtime.Object) error {
				return judge(item.(*unstructured.Unstructured), out)
			})
		} else {
			err = judge(object, out)
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Stdin, json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}
