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
    threads: knob("generate_threads") * max(1, knob("gpus"))
    resources:
        **placement(nodes=1),
        **vllm("generate"),
        gpu=knob("gpus"),
        processes=knob("gpus"),
        process_threads=knob("generate_threads"),
        mem_mb=knob("mem_mb") * max(1, knob("gpus")),
        runtime=knob("generate_minutes"),
    params:
        spec=spec_of("generate", "{subject}/{suite}"),
        code=code_of("generate"),
    message:
        "Sample the completions of {wildcards.subject} on the suite {wildcards.suite}"
    shell:
        "{JOB_PYTHON} scripts/launch.py --processes {resources.processes} --"
        " scripts/generate.py --spec {params.spec:q} --subject {wildcards.subject} --suite {wildcards.suite}"
        " --policy {input.policy} --benchmark {input.benchmarks} --out {output} --threads {resources.process_threads}"
        " --vllm-memory-percent {resources.vllm_memory_percent} --vllm-tensor-parallel {resources.vllm_tensor_parallel}"
        " --vllm-eager {resources.vllm_eager} --vllm-cpu-cache-gib {resources.vllm_cpu_cache_gib} 2>> {log}"


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
