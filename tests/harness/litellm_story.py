"""Calls with LiteLLM, in the interpreter that has it; prints the results as a JSON list.

Argument: {"root": "http://host:port", "calls": [{"model", "api_key", "base"}]}
"""

import json
import sys

import litellm

litellm.suppress_debug_info = True
order = json.loads(sys.argv[1])
told = []
for call in order["calls"]:
    try:
        answer = litellm.completion(
            model=call["model"],
            api_key=call["api_key"],
            api_base=order["root"] + call["base"],
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=5,
            max_retries=0,
        )
        told.append({"answer": answer.choices[0].message.content})
    except Exception as error:
        told.append({"error": {"class": type(error).__name__, "status": error.status_code, "message": str(error)}})
print(json.dumps(told))
