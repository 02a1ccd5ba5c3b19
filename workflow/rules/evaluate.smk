rule generate:
    input:
        policy=lambda wildcards: PLAN.policy_manifest(wildcards.subject),
        benchmarks=lambda wildcards: PLAN.benchmarks(wildcards.subject, wildcards.suite),
    output:
        "results/samples/{subject}/{suite}/manifest.json",
    log:
        "results/logs/generate/{subject}/{suite}.log",
    benchmark:
        "results/benchmarks/generate/{subject}/{suite}.jsonl"
    threads: knob("generate_threads")
    resources:
        gpu=min(1, knob("gpus")),
        mem_mb=knob("mem_mb"),
        runtime=knob("generate_minutes"),
    params:
        spec=spec_of("generate", "{subject}/{suite}"),
        code=code_of("generate"),
    message:
        "Sample the completions of {wildcards.subject} on the suite {wildcards.suite}"
    shell:
        "{JOB_PYTHON} scripts/launch.py --processes {resources.gpu} -- scripts/generate.py --spec {params.spec:q} --subject {wildcards.subject} --suite {wildcards.suite}"
        " --policy {input.policy} --benchmark {input.benchmarks} --out {output} --threads {threads} 2> {log}"


rule grade:
    input:
        samples="results/samples/{subject}/{suite}/manifest.json",
        benchmarks=lambda wildcards: PLAN.benchmarks(wildcards.subject, wildcards.suite),
    output:
        "results/grades/{subject}/{suite}/manifest.json",
    log:
        "results/logs/grade/{subject}/{suite}.log",
    benchmark:
        "results/benchmarks/grade/{subject}/{suite}.jsonl"
    resources:
        mem_mb=knob("mem_mb"),
        runtime=120,
    params:
        spec=spec_of("grade", "{subject}/{suite}"),
        code=code_of("grade"),
    message:
        "Grade the completions of {wildcards.subject} on the suite {wildcards.suite}"
    shell:
        "{JOB_PYTHON} scripts/grade.py --spec {params.spec:q} --subject {wildcards.subject} --suite {wildcards.suite}"
        " --samples {input.samples} --benchmark {input.benchmarks} --out {output} 2> {log}"
