"""`python -m services.anchor.cli`: what is done before anything can be anchored. Answers are JSON."""

import argparse
import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

from services.anchor.chain_errors import ChainRefused
from services.anchor.contract.deploy import Deployment, deploy
from services.anchor.contract.settings_file import write_settings
from services.anchor.node import EvmNode, open_rpc
from services.anchor.settings import DeploySettings
from services.anchor.signers import open_signer
from services.common.errors import VokeTagError


async def _deploy_contract(arguments: argparse.Namespace) -> Deployment:
    told = {one.chain_name: one for one in DeploySettings().chains()}
    settings = told.get(arguments.chain or next(iter(told)))
    if settings is None:
        raise ValueError(f"no chain of the name {arguments.chain}; known are {', '.join(told)}")
    signer = open_signer(settings, local=settings.environment == "local")
    node = EvmNode(
        rpc=await open_rpc(settings.chain_rpc_urls[0]),
        chain_id=settings.chain_id,
        fee_ceiling_wei=settings.fee_ceiling_wei,
        genesis_hash=settings.genesis_hash,
    )
    async with aclosing(node):
        deployed = await deploy(node=node, signer=signer, owner=arguments.owner, writer=arguments.writer)
    if arguments.settings is not None:
        found = {"VOKETAG_CHAIN_ID": str(deployed.chain_id), "VOKETAG_CONTRACT_ADDRESS": deployed.contract_address}
        write_settings(arguments.settings, found)
    return deployed


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m services.anchor.cli", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser(
        "deploy-contract", help="put AnchorRegistry on the chain and print its address; every run makes a new one"
    )
    command.add_argument("--owner", help="address that may name writers (default: the deploying key's)")
    command.add_argument("--writer", help="address that the worker signs with (default: the deploying key's)")
    command.add_argument("--chain", help="name of the chain (default: the first one)")
    command.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="file of NAME=value lines to set the address and the chain's id in",
    )
    arguments = parser.parse_args()
    if arguments.settings is not None and arguments.chain is not None:
        parser.error("--settings is for the first chain: a further one has its address in the file of further chains")
    if arguments.settings is not None and not os.access(arguments.settings.parent, os.W_OK):
        # Before anything is paid for.
        parser.error(f"{arguments.settings.parent} is no folder that can be written")
    try:
        print(asyncio.run(_deploy_contract(arguments)).to_json())
    except VokeTagError as error:
        sys.exit(f"{error.reason}: {error.message}")
    except (ChainRefused, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
