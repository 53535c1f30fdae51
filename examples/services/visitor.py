"""A visitor: GET each URL of the command line in turn, print one line of JSON for each answer."""

import json
import sys
import urllib.error
import urllib.request

# No proxy, whatever the environment says: everything here is on loopback.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

for url in sys.argv[1:]:
    try:
        response = opener.open(url, timeout=30)
    except urllib.error.HTTPError as refusal:
        response = refusal
    with response:
        body = response.read()
    # Binary bodies are told by their size alone.
    is_binary = response.headers.get_content_type() == "application/octet-stream"
    text = "" if is_binary else body.decode()
    print(json.dumps({"status": response.status, "size": len(body), "text": text}))
