"""Drives the published smartflow-sdk for a test: one JSON command a line on stdin, one JSON answer a line on stdout.

{"client": {...}}                                     makes a client of these arguments; the commands after it use it
{"call": "chat", "args": [...], "kwargs": {...}}      calls a method; an async iterator is read to its end
{"sync": "health"}                                    calls a method of a SyncSmartflowClient of the same arguments
"""

import asyncio
import dataclasses
import inspect
import json
import sys

from smartflow import SmartflowClient, SyncSmartflowClient


def plain(value):
    """A value as JSON has it; of a dataclass also what its properties say."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        names += [name for name, _ in inspect.getmembers(type(value), lambda member: isinstance(member, property))]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    return value


def thrown(error):
    shown = {name: plain(each) for name, each in vars(error).items()}
    bases = [base.__name__ for base in type(error).__mro__ if base.__module__.startswith("smartflow")]
    return {"type": type(error).__name__, "bases": bases, "text": str(error), **shown}


async def answer(client, command):
    method = getattr(client, command["call"])
    result = method(*command.get("args", []), **command.get("kwargs", {}))
    if inspect.isasyncgen(result):
        return [plain(each) async for each in result]
    return plain(await result)


async def main():
    client, arguments = None, {}
    for line in iter(sys.stdin.readline, ""):
        command = json.loads(line)
        try:
            if "client" in command:
                arguments = command["client"]
                client = SmartflowClient(**arguments)
                said = {"value": None}
            elif "sync" in command:
                # In a thread of its own: the synchronous client brings its own event loop.
                method = getattr(SyncSmartflowClient(**arguments), command["sync"])
                said = {"value": plain(await asyncio.to_thread(method))}
            else:
                said = {"value": await answer(client, command)}
        except Exception as error:
            said = {"error": thrown(error)}
        print(json.dumps(said, default=str), flush=True)


asyncio.run(main())
