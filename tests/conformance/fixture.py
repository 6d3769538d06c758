"""The tools, resources and prompts that the official conformance suite asks for, for a server on our own stack."""

import asyncio
import base64
import struct
import zlib
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import RequestStateSecurity
from mcp.server.request_state import RequestStateBoundary
from mcp.shared.exceptions import MCPError


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_PIXEL = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
)
IMAGE = base64.b64encode(_PIXEL).decode()
SOUND = base64.b64encode(
    b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    + b"data\0\0\0\0"
).decode()


def text(words: str) -> types.TextContent:
    return types.TextContent(text=words)


def embedded(uri: str, kind: str, words: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=kind, text=words))


IMAGE_CONTENT = types.ImageContent(data=IMAGE, mime_type="image/png")
PLAIN: dict[str, list[Any]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE_CONTENT],
    "test_audio_content": [types.AudioContent(data=SOUND, mime_type="audio/wav")],
    "test_embedded_resource": [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
    "test_multiple_content_types": [
        text("Multiple content types test:"), IMAGE_CONTENT,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
}  # fmt: skip


def elicit(message: str, **fields: str) -> types.ElicitRequest:
    schema = {
        "type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}, "required": list(fields),
    }  # fmt: skip
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(words: str, most: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(words))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=most))


NAME = elicit("What is your name?", name="string")
ROOTS = types.ListRootsRequest(params=None)
# What each tool asks for, and whether it keeps a state meanwhile.
ASKING: dict[str, tuple[dict[str, Any], bool]] = {
    "test_input_required_result_elicitation": ({"user_name": NAME}, False),
    "test_input_required_result_sampling": ({"capital_question": sample("What is the capital of France?", 100)}, False),
    "test_input_required_result_list_roots": ({"client_roots": ROOTS}, False),
    "test_input_required_result_request_state": ({"confirm": elicit("Please confirm", ok="boolean")}, True),
    "test_input_required_result_multiple_inputs": (
        {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}, True,
    ),
    "test_input_required_result_tampered_state": ({"confirm": elicit("Please confirm", ok="boolean")}, True),
}  # fmt: skip
CAPABILITY = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
ROUNDS = (
    ("step1", elicit("Step 1: What is your name?", name="string")),
    ("step2", elicit("Step 2: What is your favorite color?", color="string")),
)


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    schema = {"type": "object", "additionalProperties": False}
    names = [*PLAIN, *ASKING, *OTHERS]
    return types.ListToolsResult(tools=[types.Tool(name=name, description=name, input_schema=schema) for name in names])


async def call_tool(context: Any, params: types.CallToolRequestParams) -> Any:
    name, answers = params.name, params.input_responses or {}
    if name in PLAIN:
        return types.CallToolResult(content=PLAIN[name])
    if name in ASKING:
        return ask(*ASKING[name], answers)
    if name not in OTHERS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {name}")
    return await OTHERS[name](context, params, answers)


def capabilities(context: Any) -> dict[str, Any]:
    return (context.meta or {}).get("io.modelcontextprotocol/clientCapabilities") or {}


async def only_what_it_can(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    wanted = {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS}
    can = capabilities(context)
    return ask({key: asked for key, asked in wanted.items() if CAPABILITY[asked.method] in can}, False, answers)


async def rounds(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    index = int(params.request_state or "0")
    if answers and index and ROUNDS[index - 1][0] not in answers:
        index -= 1
    if index == len(ROUNDS):
        return types.CallToolResult(content=[text("All rounds are done.")])
    key, asked = ROUNDS[index]
    return types.InputRequiredResult(input_requests={key: asked}, request_state=str(index + 1))


async def error(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    return types.CallToolResult(content=[text("This tool intentionally returns an error for testing")], is_error=True)


async def progress(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return types.CallToolResult(content=[text("Progress is done.")])


async def samples(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    if "sampling" not in capabilities(context):
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is needed", data)
    return types.CallToolResult(content=[text("It can sample.")])


async def streams(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    return ask({"user_name": NAME}, False, answers)


async def logs_nothing(context: Any, params: Any, answers: dict[str, Any]) -> Any:
    return types.CallToolResult(content=[text("Nothing is logged unless it is asked for.")])


OTHERS = {
    "test_error_handling": error, "test_tool_with_progress": progress, "test_input_required_result_multi_round": rounds,
    "test_input_required_result_capabilities": only_what_it_can, "test_missing_capability": samples,
    "test_streaming_elicitation": streams, "test_logging_tool": logs_nothing,
}  # fmt: skip


def ask(requests: dict[str, Any], keeps: bool, answers: dict[str, Any]) -> Any:
    """Ask for what is missing; what was not asked for is ignored."""
    missing = {key: asked for key, asked in requests.items() if key not in answers}
    if missing:
        return types.InputRequiredResult(input_requests=missing, request_state="waiting" if keeps else None)
    words = " ".join(answers[key].model_dump_json(by_alias=True, exclude_none=True) for key in requests)
    return types.CallToolResult(content=[text(f"state-ok {words}" if keeps else f"Hello, {words}!")])


async def list_resources(context: Any, params: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri="test://static-text", name="static-text", mime_type="text/plain"),
            types.Resource(uri="test://static-binary", name="static-binary", mime_type="image/png"),
        ]
    )


async def list_templates(context: Any, params: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    content: Any
    if uri == "test://static-text":
        content = types.TextResourceContents(
            uri=uri, mime_type="text/plain", text="This is the content of the static text resource."
        )
    elif uri == "test://static-binary":
        content = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=IMAGE)
    elif uri.startswith("test://template/") and uri.endswith("/data"):
        identity = uri.split("/")[3]
        words = f'{{"id":"{identity}","templateTest":true,"data":"Data for ID: {identity}"}}'
        content = types.TextResourceContents(uri=uri, mime_type="application/json", text=words)
    else:
        raise MCPError(types.INVALID_PARAMS, f"Resource not found: {uri}", {"uri": uri})
    return types.ReadResourceResult(contents=[content])


def said(*contents: Any) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content) for content in contents])


PROMPTS = {
    "test_simple_prompt": (), "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",), "test_prompt_with_image": (), "test_input_required_result_prompt": (),
}  # fmt: skip


async def list_prompts(context: Any, params: Any) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description=name,
                arguments=[types.PromptArgument(name=argument, required=True) for argument in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
    )


async def get_prompt(context: Any, params: types.GetPromptRequestParams) -> Any:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return said(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return said(text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"))
        case "test_prompt_with_embedded_resource":
            resource = embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return said(resource, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return said(IMAGE_CONTENT, text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            if "user_context" not in (params.input_responses or {}):
                asked = elicit("What context should the prompt use?", context="string")
                return types.InputRequiredResult(input_requests={"user_context": asked})
            return said(text("A prompt with its context."))
    raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")


async def complete(context: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


def make_fixture() -> Server[Any]:
    server = Server(
        "conformance", version="1", on_list_tools=list_tools, on_call_tool=call_tool, on_list_resources=list_resources,
        on_list_resource_templates=list_templates, on_read_resource=read_resource, on_list_prompts=list_prompts,
        on_get_prompt=get_prompt, on_completion=complete,
    )  # fmt: skip
    server.middleware.append(
        RequestStateBoundary(RequestStateSecurity(keys=[b"k" * 32]), default_audience="conformance")
    )
    return server
