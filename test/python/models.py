"""Drives the published clients openai and anthropic for a test: one JSON command a line on stdin, one JSON answer a line on
stdout.

{"do": "ask", "client": "openai", "base": "…", "token": "…", "ask": {…}}   asks once; see Ask and Said in clients/client.ts
{"do": "loop", …}    the same with the results of the tools given back
{"do": "leave", …}   reads the first piece of a stream, then leaves it
"""

import json
import sys

WEATHER = "weather"
SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
clients = {}


def weather_in(given):
    return f"rain in {given.get('place')}"


class OpenAIClient:
    def __init__(self, base, token):
        from openai import OpenAI

        self.client = OpenAI(base_url=f"{base}/v1", api_key=token, max_retries=0)

    def body(self, ask, messages):
        tool = {"type": "function", "function": {"name": WEATHER, "description": "The weather", "parameters": SCHEMA}}
        return {
            "model": ask["model"],
            "messages": messages,
            **({"tools": [tool]} if ask.get("tools") else {}),
            **({"max_tokens": ask["maxTokens"]} if "maxTokens" in ask else {}),
            **({"stop": ask["stop"]} if "stop" in ask else {}),
        }

    def messages(self, ask):
        content = ask["text"]
        if "image" in ask:
            url = f"data:image/png;base64,{ask['image']}"
            content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": url}}]
        system = [{"role": "system", "content": ask["system"]}] if "system" in ask else []
        return [*system, {"role": "user", "content": content}]

    def answer(self, ask, messages):
        from openai.lib.streaming.chat import ChatCompletionStreamState

        body, pieces = self.body(ask, messages), 1
        if ask["stream"]:
            pieces = 0
            # The helper that puts a stream together; it raises for an answer that its bound cut off, this reads it all the same.
            state = ChatCompletionStreamState()
            with self.client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}) as stream:
                for chunk in stream:
                    pieces += bool(chunk.choices and chunk.choices[0].delta.content)
                    state.handle_chunk(chunk)
            completion = state.current_completion_snapshot
        else:
            completion = self.client.chat.completions.create(**body)
        choice, usage = completion.choices[0], completion.usage
        calls = [
            {"id": call.id, "name": call.function.name, "input": json.loads(call.function.arguments)}
            for call in choice.message.tool_calls or []
        ]
        return {
            "text": choice.message.content or "",
            "pieces": pieces,
            "calls": calls,
            "finish": {"tool_calls": "tools", "length": "length"}.get(choice.finish_reason, "stop"),
            "tokens": {
                "prompt": usage.prompt_tokens,
                "cached": usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0,
                "completion": usage.completion_tokens,
            },
        }

    def ask(self, ask):
        return self.answer(ask, self.messages(ask))

    def loop(self, ask):
        messages = self.messages(ask)
        calls = self.answer(ask, messages)["calls"]
        called = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["input"])}}
            for call in calls
        ]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": weather_in(call["input"])} for call in calls]
        return self.answer(ask, [*messages, {"role": "assistant", "tool_calls": called}, *results])

    def leave(self, ask):
        with self.client.chat.completions.create(**self.body(ask, self.messages(ask)), stream=True) as stream:
            for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    return chunk.choices[0].delta.content
        return ""


class AnthropicClient:
    def __init__(self, base, token):
        from anthropic import Anthropic

        self.client = Anthropic(base_url=base, api_key=token, max_retries=0)

    def body(self, ask, messages):
        tool = {"name": WEATHER, "description": "The weather", "input_schema": SCHEMA}
        return {
            "model": ask["model"],
            "messages": messages,
            "max_tokens": ask.get("maxTokens", 1000),
            **({"system": ask["system"]} if "system" in ask else {}),
            **({"tools": [tool]} if ask.get("tools") else {}),
            **({"stop_sequences": [ask["stop"]]} if "stop" in ask else {}),
        }

    def messages(self, ask):
        content = ask["text"]
        if "image" in ask:
            source = {"type": "base64", "media_type": "image/png", "data": ask["image"]}
            content = [{"type": "image", "source": source}, {"type": "text", "text": content}]
        return [{"role": "user", "content": content}]

    def answer(self, ask, messages):
        body, pieces = self.body(ask, messages), 1
        if ask["stream"]:
            pieces = 0
            with self.client.messages.stream(**body) as stream:
                for _ in stream.text_stream:
                    pieces += 1
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**body)
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        said = {
            "text": "".join(block.text for block in message.content if block.type == "text"),
            "pieces": pieces,
            "calls": [
                {"id": block.id, "name": block.name, "input": block.input}
                for block in message.content
                if block.type == "tool_use"
            ],
            "finish": {"tool_use": "tools", "max_tokens": "length"}.get(message.stop_reason, "stop"),
            "tokens": {
                "prompt": usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
                "cached": cached,
                "completion": usage.output_tokens,
            },
        }
        return said, message.content

    def ask(self, ask):
        return self.answer(ask, self.messages(ask))[0]

    def loop(self, ask):
        messages = self.messages(ask)
        said, content = self.answer(ask, messages)
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": weather_in(call["input"])}
            for call in said["calls"]
        ]
        turns = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
        return self.answer(ask, [*messages, *turns])[0]

    def leave(self, ask):
        with self.client.messages.stream(**self.body(ask, self.messages(ask))) as stream:
            for text in stream.text_stream:
                return text
        return ""


KINDS = {"openai": OpenAIClient, "anthropic": AnthropicClient}


def client_of(command):
    key = (command["client"], command["base"], command["token"])
    if key not in clients:
        clients[key] = KINDS[command["client"]](command["base"], command["token"])
    return clients[key]


for line in iter(sys.stdin.readline, ""):
    command = json.loads(line)
    try:
        said = {"value": getattr(client_of(command), command["do"])(command["ask"])}
    except Exception as error:
        said = {"error": {"type": type(error).__name__, "text": str(error), "status": getattr(error, "status_code", None)}}
    print(json.dumps(said, default=str), flush=True)
