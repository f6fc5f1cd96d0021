"""kill -9 in the middle of a batch, of every part that has a hand in it: the batch completes as if nothing had been."""

import csv
import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.stack import LocalStack
from services.common import unit_keys
from services.factory.model.serials import serial_of, serial_prefix
from tests.e2e.faults import crash, stays, wait_until
from voketag_kernel import rfc6962
from voketag_kernel.codes import MintedCode
from voketag_kernel.receipts import ANCHORED_TOPIC, facts_hash, unit_leaf_data
from voketag_sdk import Batch, BatchState, Client, verify_receipt
