// Runs an Argo CD health script: standard input is a JSON object with the members `script` (Lua) and `object` (what the
// script sees as `obj`); standard output is the table that it returns, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	lua "github.com/yuin/gopher-lua"
)

type input struct {
	Script string `json:"script"`
	Object any    `json:"object"`
}

// libraries that Argo CD opens for a health script; `os` there is a small substitute, so here it is absent.
var libraries = map[string]lua.LGFunction{
	lua.BaseLibName:   lua.OpenBase,
	lua.TabLibName:    lua.OpenTable,
	lua.StringLibName: lua.OpenString,
	lua.MathLibName:   lua.OpenMath,
	lua.LoadLibName:   lua.OpenPackage,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lua:", err)
		os.Exit(1)
	}
}

func run() error {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	for name, open := range libraries {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return err
		}
	}
	state.SetGlobal("obj", toLua(state, given.Object))
	if err := state.DoString(given.Script); err != nil {
		return err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	return json.NewEncoder(os.Stdout).Encode(fromLua(table))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			table.RawSetString(name, toLua(state, value[name]))
		}
		return table
	}
	return lua.LNil
}

func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		return float64(value)
	case *lua.LTable:
		members := map[string]any{}
		value.ForEach(func(name, member lua.LValue) { members[name.String()] = fromLua(member) })
		return members
	case *lua.LNilType:
		return nil
	}
	return value.String()
}
