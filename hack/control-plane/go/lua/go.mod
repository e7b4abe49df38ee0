// Runs Argo CD health scripts, on the interpreter that Argo CD uses.
module smartflow/hack/control-plane/lua

go 1.26.0

require github.com/yuin/gopher-lua v1.1.2
