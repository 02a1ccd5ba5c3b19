rule overlap:
    input:
        train="results/datasets/{dataset}/manifest.json",
        benchmarks=PLAN.benchmark_manifests(),
    output:
        "results/overlaps/{study}/{dataset}/manifest.json",
    log:
        "results/logs/overlap/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/overlap/{study}/{dataset}.jsonl"
    resources:
        mem_mb=knob("mem_mb"),
        runtime=60,
    params:
        spec=spec_of("overlap", "{study}/{dataset}"),
        code=code_of("overlap"),
    message:
        "Look for benchmark problems of {wildcards.study} in {wildcards.dataset}"
    shell:
        "{JOB_PYTHON} scripts/overlap.py --spec {params.spec:q} --name {wildcards.study}/{wildcards.dataset}"
        " --train {input.train} --benchmark {input.benchmarks} --out {output} 2> {log}"
