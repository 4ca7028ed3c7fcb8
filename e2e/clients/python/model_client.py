"""Calls model APIs with the unmodified SDKs and what injection sets in the environment.

    model_client.py openai|anthropic COMMAND NAME

    chat      ask → {"text"}
    stream    ask for events; ask again, whole, at the first one → {"parts"}
    busy      ask an API that is busy at first → {"text"}
    outside   list the models → {"status", "message"} of the error

NAME is part of what is asked, so that the API knows who asks.
"""

import json
import sys

import anthropic
import openai

MODEL = "e2e-model"


def read_token():
    with open("/var/run/valetkey/token") as file:
        return file.read().strip()


class OpenAi:
    error = openai.APIStatusError

    def __init__(self):
        self.client = openai.OpenAI(api_key=read_token())

    def ask(self, text):
        return self._create(text, stream=False).choices[0].message.content

    def stream(self, text):
        for event in self._create(text, stream=True):
            yield event.choices[0].delta.content

    def list_models(self):
        return list(self.client.models.list())

    def _create(self, text, stream):
        messages = [{"role": "user", "content": text}]
        return self.client.chat.completions.create(model=MODEL, messages=messages, stream=stream)


class Anthropic:
    error = anthropic.APIStatusError

    def __init__(self):
        self.client = anthropic.Anthropic(api_key=read_token())

    def ask(self, text):
        return self.client.messages.create(**self._request(text)).content[0].text

    def stream(self, text):
        with self.client.messages.stream(**self._request(text)) as stream:
            yield from stream.text_stream

    def list_models(self):
        return list(self.client.models.list())

    @staticmethod
    def _request(text):
        messages = [{"role": "user", "content": text}]
        return {"model": MODEL, "max_tokens": 100, "messages": messages}


def stream(sdk, name):
    parts = []
    for part in sdk.stream(f"{name} stream"):
        if not parts:
            sdk.ask(f"{name} received")
        parts.append(part)
    return {"parts": parts}


def outside(sdk):
    try:
        sdk.list_models()
    except sdk.error as error:
        return {"status": error.status_code, "message": error.message}
    return {"status": 200}


def main(provider, command, name):
    sdk = {"openai": OpenAi, "anthropic": Anthropic}[provider]()
    if command == "stream":
        return stream(sdk, name)
    if command == "outside":
        return outside(sdk)
    return {"text": sdk.ask(f"{name} {command}")}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
