import unittest

from hello.server import greet


class Greet(unittest.TestCase):
    def test_name(self):
        self.assertEqual(greet("Hello", "Ada"), "Hello, Ada!")

    def test_nobody(self):
        self.assertEqual(greet("Hello", " "), "Hello, world!")
