"""The page of `report.html`, as a Jinja template. It is code, so that a change of it makes a report stale."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
  img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{{ name }} · Verizero</title>
<style>
:root { --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --tint: #f6f8fa; --accent: #0072B2; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); margin: 0 auto; max-width: 1180px;
  padding: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p.soft, .soft { color: var(--soft); }
nav a { margin-right: 1rem; color: var(--accent); }
img { max-width: 100%; height: auto; }
code, pre { font: 13px/1.45 ui-monospace, "SF Mono", Menlo, monospace; }
pre { background: var(--tint); padding: .7rem .9rem; overflow-x: auto; white-space: pre-wrap; border-radius: 6px; margin: .4rem 0; }
.scroll { overflow-x: auto; max-height: 34rem; overflow-y: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
th { position: sticky; top: 0; background: var(--tint); text-align: left; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; }
td.note { white-space: normal; min-width: 16rem; }
li.open { color: var(--soft); }
.tag { display: inline-block; padding: 0 .5em; border-radius: 1em; font-size: 12px; border: 1px solid var(--line); }
.yes { background: #e3f1f9; }
.no { background: #fdeadd; }
.warn { background: #fff8e1; border: 1px solid #e6c200; border-radius: 6px; padding: .6rem .9rem; }
select, input { font: inherit; margin: 0 .8rem .5rem .3rem; }
article { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .9rem; margin: .6rem 0; }
.up { background: #d3e9f5; }
.down { background: #fbd9c4; }
.p1 { background: #f3eff9; }
.p2 { background: #ddd0ef; }
.p3 { background: #bd9fe0; }
.p4 { background: #9a6bcf; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
details summary { cursor: pointer; color: var(--accent); }
</style>
</head>
<body>
<script>
const make = (tag, text, cls) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (cls) node.className = cls;
  return node;
};
</script>
<h1>{{ question }}</h1>
<p class="soft">Study <b>{{ name }}</b>
· {{ ledger.counts.runs.planned }} runs planned, {{ ledger.counts.runs.done }} done
· {{ ledger.counts.cells.planned }} graded suites planned, {{ ledger.counts.cells.done }} done</p>
<nav><a href="#summary">Summary</a>
{% if figures %}<a href="#figures">Figures</a>{% endif %}
<a href="#tables">Tables</a>
{% if contamination %}<a href="#contamination">Contamination</a>{% endif %}
<a href="#samples">Samples</a>
{% if rollouts or rollouts_absent %}<a href="#rollouts">Rollouts</a>{% endif %}
<a href="#ledger">Ledger</a>
<a href="#audit">Audit</a></nav>
{% if holes %}<p class="warn"><b>Incomplete.</b> {{ holes|length }} planned results are missing:
{{ holes[:12]|join(", ") }}
{%- if holes|length > 12 %} and {{ holes|length - 12 }} more (see the ledger){% endif %}.</p>{% endif %}

<h2 id="summary">Summary</h2>
<p class="soft">{{ rule }}</p>
<ul>
{% for sentence in findings %}<li{% if "unresolved" in sentence %} class="open"{% endif %}>{{ sentence }}</li>{% else %}
<li>Nothing was trained, so nothing is compared; the estimates are in the tables.</li>{% endfor %}
</ul>

{% if figures %}<h2 id="figures">Figures</h2>{% endif %}
{% for figure in figures %}<p><img src="data:image/png;base64,{{ figure.data }}" alt="{{ figure.name }}"><br>
<span class="soft">figures/{{ figure.name }}.png, .svg; data: figures/{{ figure.name }}.csv</span></p>
{% endfor %}
{% if figures_left_out %}<p class="soft">{{ figures_left_out }} more figures lie in figures/.</p>{% endif %}

<h2 id="tables">Tables</h2>
{% for table in tables %}<h3>{{ table.caption }}</h3>
<p class="soft">tables/{{ table.name }}.csv
{%- if table.left_out %}; the first {{ table.rows|length }} rows, {{ table.left_out }} more are in the file{% endif %}</p>
<div class="scroll"><table><thead><tr>
{% for column in table.columns %}<th{% if column.number %} class="n"{% endif %}>{{ column.name }}</th>{% endfor %}
</tr></thead>
<tbody>{% for row in table.rows %}<tr>
{%- for cell in row %}<td{% if cell.kind %} class="{{ cell.kind }}"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
<h3>How to read them</h3>
<p>{{ methods }}</p>
{% if behaviours %}<p>{{ behaviours }}</p>{% endif %}
{% if unread %}<details><summary>Of {{ unread|length }} members no text was read; their behaviours are left empty</summary>
<ul>{% for sentence in unread %}<li>{{ sentence }}</li>{% endfor %}</ul></details>{% endif %}

{% if contamination %}{% include "contamination" %}{% endif %}

<h2 id="samples">Samples</h2>
<p class="soft">Chosen by the hash of the problem's id, the same problems for every subject; besides,
 right and wrong ones until there are two of each. Long completions are shortened in the middle.</p>
{% if samples %}<p><label>Benchmark<select id="member"></select></label>
<label>Optimizer<select id="optimizer"></select></label>
<label>Status<select id="status"></select></label>
<span id="shown" class="soft"></span></p>
<div id="list"></div>{% endif %}
{% if absent %}<details><summary>{{ absent|length }} not shown</summary>
<ul>{% for sentence in absent %}<li>{{ sentence }}</li>{% endfor %}</ul></details>{% endif %}

{% if rollouts or rollouts_absent %}{% include "rollouts" %}{% endif %}

<h2 id="ledger">Ledger</h2>
<div class="scroll"><table><thead><tr><th>planned</th><th>state</th><th>manifest SHA-256</th></tr></thead><tbody>
{% for entry in entries %}<tr><td>{{ entry.id }}</td>
<td><span class="tag {{ 'yes' if entry.state == 'done' else 'no' }}">{{ entry.state }}</span></td>
<td><code>{{ (entry.sha or "")[:16] }}</code></td></tr>
{% endfor %}</tbody></table></div>
{% if entries_left_out %}<p class="soft">{{ entries_left_out }} more are in ledger.json.</p>{% endif %}

<h2 id="audit">Pinning and audit</h2>
{% if unpinned %}<p class="warn">Sources whose revision was not resolved: {{ unpinned|join("; ") }}.
Their content is identified by the hashes in their manifests.</p>{% else %}
<p>No source of this study is marked unpinned.</p>{% endif %}
<p>Trace one number down to its samples, checkpoint, run, data and base model, re-hash every file on the way and recompute it:</p>
<pre>{{ command }}</pre>
<script type="application/json" id="data">{{ samples_json }}</script>
<script>
const samples = JSON.parse(document.getElementById("data").textContent);
if (samples.length) {
  const picks = ["member", "optimizer", "status"].map(name => {
    const select = document.getElementById(name);
    if (name !== "member") select.append(make("option", "all"));
    for (const value of [...new Set(samples.map(s => s[name]))].sort()) select.append(make("option", value));
    select.addEventListener("change", show);
    return [name, select];
  });
  function show() {
    const found = samples.filter(s => picks.every(([name, select]) => select.value === "all" || s[name] === select.value));
    const list = document.getElementById("list");
    list.replaceChildren(...found.map(s => {
      const card = make("article"), head = make("div");
      const about = ` ${s.member} · ${s.problem} · sample ${s.sample} · ${s.tokens} tokens · ended by ${s.finish} · rule ${s.rule}`;
      head.append(make("b", s.subject + " "), make("span", s.status, "tag " + (s.correct ? "yes" : "no")), make("span", about, "soft"));
      card.append(head);
      if (s.question) card.append(make("pre", s.question));
      const gold = s.gold || "unknown (the data set is not on this machine)";
      const extracted = s.extracted === null ? "nothing" : s.extracted;
      card.append(make("pre", s.text), make("div", `extracted: ${extracted} · accepted: ${gold}`, "soft"));
      return card;
    }));
    document.getElementById("shown").textContent = `${found.length} shown`;
  }
  show();
}
</script>
</body>
</html>
"""
