import json
import sys
import threading
import unittest
import urllib.request

sys.path.insert(0, ".")
from hello.server import make_server


class Service(unittest.TestCase):
    def setUp(self):
        self.server = make_server(0, "Hello")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}{path}") as answer:
            return json.load(answer)

    def test_health(self):
        self.assertEqual(self.get("/health"), {"status": "ok"})

    def test_greeting(self):
        self.assertEqual(self.get("/?name=Ada"), {"message": "Hello, Ada!"})
