"""Build the artifact of AnchorRegistry: `python -m services.anchor.contract.build [--check]`.

The compiler's version and settings stand as pragmas in the source, so the same source gives the same bytes on every
machine. `--check` writes nothing and fails when the committed artifact differs from a fresh build.
"""

import argparse
import hashlib
import sys

from services.anchor.contract.artifact import ARTIFACT_PATH, SOURCE_PATH, Artifact


def build_artifact() -> Artifact:
    """Compile the source beside this module. vyper.exceptions.VyperException says what is wrong in it."""
    # A development dependency: production reads the artifact and has no compiler.
    from vyper import __long_version__  # noqa: PLC0415
    from vyper.compiler import compile_code  # noqa: PLC0415

    source = SOURCE_PATH.read_bytes()
    output = compile_code(
        source.decode(),
        contract_path=SOURCE_PATH.name,  # relative: a machine's folders must not reach the artifact
        output_formats=["abi", "bytecode", "bytecode_runtime", "settings_dict"],
    )
    settings = output["settings_dict"]
    return Artifact(
        contract=SOURCE_PATH.stem,
        compiler=f"vyper {__long_version__}",
        settings={"evm_version": settings["evm_version"], "optimize": settings["optimize"]},
        source_sha256=hashlib.sha256(source).hexdigest(),
        abi=output["abi"],
        init_bytecode=output["bytecode"],
        runtime_bytecode=output["bytecode_runtime"],
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the artifact, or with --check compare it. Exit code 1 means that the committed file is stale."""
    parser = argparse.ArgumentParser(prog="python -m services.anchor.contract.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when the artifact is stale")
    check = parser.parse_args(arguments).check
    fresh = build_artifact().to_json()
    if not check:
        ARTIFACT_PATH.write_text(fresh, "utf-8")
        sys.stdout.write(f"wrote {ARTIFACT_PATH.name}\n")
        return 0
    committed = ARTIFACT_PATH.read_text("utf-8") if ARTIFACT_PATH.exists() else ""
    if committed != fresh:
        sys.stderr.write(
            f"{ARTIFACT_PATH.name} is not what {SOURCE_PATH.name} builds: "
            "run `python -m services.anchor.contract.build` and commit the result\n"
        )
        return 1
    sys.stdout.write(f"{ARTIFACT_PATH.name} is fresh\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
