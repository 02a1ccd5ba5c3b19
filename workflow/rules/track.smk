# One job for all artifacts of a study: DVC takes more than a second to start and allows one writer at a time. It runs where
# Snakemake runs, because a compute node may have no network.
rule track:
    input:
        study="results/studies/{study}/manifest.json",
        runs=PLAN.run_manifests(),
        grades=PLAN.grade_manifests(),
        datasets=PLAN.dataset_manifests(),
    output:
        "results/studies/{study}/tracking/manifest.json",
    log:
        "results/logs/track/{study}.log",
    localrule: True
    resources:
        dvc_lock=1,
    params:
        spec=spec_of("track", "{study}"),
        code=code_of("track"),
    message:
        "Register the artifacts of {wildcards.study} with DVC and MLflow"
    shell:
        "{sys.executable} scripts/track.py --study {wildcards.study} --results results --config config/config.yaml"
        " --out {output} 2> {log}"
