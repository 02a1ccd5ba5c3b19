rule aggregate:
    input:
        runs=PLAN.run_manifests(),
        grades=PLAN.grade_manifests(),
        overlaps=PLAN.overlap_manifests(),
    output:
        "results/studies/{study}/manifest.json",
    log:
        "results/logs/aggregate/{study}.log",
    benchmark:
        "results/benchmarks/aggregate/{study}.jsonl"
    resources:
        mem_mb=knob("mem_mb"),
        runtime=60,
    params:
        spec=spec_of("aggregate", "{study}"),
        code=code_of("aggregate"),
    message:
        "Tables, figures and report of the study {wildcards.study}"
    shell:
        "{JOB_PYTHON} scripts/aggregate.py --spec {params.spec:q} --results results --out {output} 2> {log}"
