"""The calls of OpenAI's Python client against the server at the URL given: chat, streams, tools, structured output,
completions, embeddings and errors."""

import json
import sys

import openai

MODEL = "SmolLM2-135M-Instruct.Q4_1"
EMBEDDING_MODEL = "all-MiniLM-L6-v2.F16"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)


def create(**changes):
    return client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "temperature": 0, **changes})


def expect(actual, expected):
    assert actual == expected, f"{actual!r}, not {expected!r}"


def raised(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def models():
    expect([model.id for model in client.models.list()], [MODEL, EMBEDDING_MODEL])
    expect(client.models.retrieve(MODEL).id, MODEL)
    expect(raised(openai.NotFoundError, lambda: client.models.retrieve("gpt")).code, "model_not_found")


def chat():
    answer = create(max_tokens=20)
    expect(answer.choices[0].message.content, ANSWER)
    expect(answer.choices[0].finish_reason, "stop")
    assert answer.usage.total_tokens > 10


def stream():
    text, usage, chunks = "", None, 0
    for chunk in create(max_tokens=20, stream=True, stream_options={"include_usage": True}):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage, chunks = chunk.usage or usage, chunks + 1
    expect(text, ANSWER)
    assert usage.completion_tokens > 5 and chunks > 3
    # Leaving a stream frees the server for the next request.
    with create(max_tokens=900, stream=True, messages=[{"role": "user", "content": "Tell a long story."}]) as story:
        next(iter(story))
    chat()


def responses():
    more = {"model": MODEL, "temperature": 0, "max_output_tokens": 20}
    first = client.responses.create(input=QUESTION[0]["content"], **more)
    expect(first.output_text, ANSWER)
    events = list(client.responses.create(input=QUESTION[0]["content"], stream=True, **more))
    expect("".join(event.delta for event in events if event.type == "response.output_text.delta"), ANSWER)
    expect((events[-1].type, events[-1].response.output_text), ("response.completed", ANSWER))
    second = client.responses.create(input="And of Italy?", previous_response_id=first.id, **more)
    assert second.usage.input_tokens > first.usage.input_tokens
    items = client.responses.input_items.list(second.id, order="asc").data
    expect([item.role for item in items], ["user", "assistant", "user"])
    expect(client.responses.retrieve(first.id).output_text, ANSWER)
    client.responses.delete(first.id)
    raised(openai.NotFoundError, lambda: client.responses.retrieve(first.id))


def structured():
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    answer = create(response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
    expect(json.loads(answer.choices[0].message.content), {"city": "Paris"})


def tools():
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "look_up", "parameters": parameters}}
    forced = {"type": "function", "function": {"name": "look_up"}}
    more = {"tools": [tool], "tool_choice": forced, "parallel_tool_calls": False, "max_tokens": 80}
    answer = create(**more)
    expect(answer.choices[0].finish_reason, "tool_calls")
    [call] = answer.choices[0].message.tool_calls
    expect(call.function.name, "look_up")
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["city"], str)

    result = {"role": "tool", "tool_call_id": call.id, "content": "Paris"}
    messages = [*QUESTION, answer.choices[0].message.model_dump(exclude_none=True), result]
    assert create(messages=messages, tools=[tool], max_tokens=10).choices[0].message

    streamed = ""
    for chunk in create(stream=True, **more):
        for call in chunk.choices[0].delta.tool_calls or []:
            streamed += call.function.arguments or ""
    expect(json.loads(streamed), arguments)


def completions():
    answer = client.completions.create(model=MODEL, prompt="One, two, three,", temperature=0, max_tokens=3)
    assert answer.choices[0].text.startswith(" four"), answer


def embeddings():
    texts = ["The cat sits on the mat.", "A feline rests on a rug."]
    # By default the client asks for base64, and decodes it.
    packed = client.embeddings.create(model=EMBEDDING_MODEL, input=texts).data
    plain = client.embeddings.create(model=EMBEDDING_MODEL, input=texts, encoding_format="float").data
    for one, other in zip(packed, plain, strict=True):
        expect(len(one.embedding), len(other.embedding))
        assert max(abs(a - b) for a, b in zip(one.embedding, other.embedding)) < 1e-6
    cosine = sum(a * b for a, b in zip(packed[0].embedding, packed[1].embedding))
    assert abs(cosine - 0.56) < 0.01, cosine


def errors():
    error = raised(openai.BadRequestError, lambda: create(temperature=9))
    expect((error.status_code, error.param, error.code), (400, "temperature", "invalid_value"))
    error = raised(openai.BadRequestError, lambda: create(temperature=9, stream=True))
    expect(error.param, "temperature")
    error = raised(openai.BadRequestError, lambda: create(messages=[{"role": "user", "content": "word " * 2000}]))
    expect((error.param, error.code), ("messages", "context_length_exceeded"))
    error = raised(openai.NotFoundError, lambda: client.files.list())
    expect(error.code, "unknown_url")
    raised(openai.BadRequestError, lambda: client.embeddings.create(model=MODEL, input="x"))


for test in [models, chat, stream, responses, structured, tools, completions, embeddings, errors]:
    test()
    print(f"{test.__name__}: passed")
