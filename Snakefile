# Verizero: R1-Zero-style reinforcement-learning studies in which every number can be traced, re-verified and re-run.
#
#   prepare_model ─┐
#                  ├─ pretrain ─┐
#   prepare_dataset┘            ├─ train ── generate ── grade ── aggregate ── track
#                  └─ overlap ─────────────────────────────────────┘
#
# A study is a product of named things (config/studies/). A run is <model>.<dataset>.<template>.<optimizer>.s<seed>;
# a subject is a base model or <run>@<step>. Every job's output is a manifest.json beside its payload, and a job has three
# reasons to run again: its spec, its code, its inputs' manifests.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/overlap.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/track.smk"


localrules:
    all,
    data,
    runs,
    grades,
    tables,


rule all:
    default_target: True
    input:
        PLAN.targets(),


rule data:
    input:
        PLAN.dataset_manifests(),


rule runs:
    input:
        PLAN.run_manifests(),


rule grades:
    input:
        PLAN.grade_manifests(),


rule tables:
    input:
        f"results/studies/{PLAN.name}/manifest.json",


for sentence in ABSENT.sentences():
    print(sentence, file=sys.stderr)


onstart:
    try:
        bring_back(ABSENT, PLAN, Path("results"), sys.argv[1:], workflow.dag_settings.targets)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    for sentence in PLAN.registry.unpinned(PLAN.study):
        print(f"warning: {sentence} is not pinned; `python scripts/pin.py` resolves its revision", file=sys.stderr)


onerror:
    print(
        f"Some jobs failed; what is there can be looked at: {JOB_PYTHON} scripts/aggregate.py --partial "
        f"--study {PLAN.name} --out results/studies/{PLAN.name}/partial/manifest.json",
        file=sys.stderr,
    )
