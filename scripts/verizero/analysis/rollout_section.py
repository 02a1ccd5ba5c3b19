"""The section of `report.html` about kept completions of training, as a Jinja template. It is code, as the page is."""

from __future__ import annotations

ROLLOUTS = """<h2 id="rollouts">Rollouts in training</h2>
<p class="soft">The first completions of the steps whose completions were kept (<code>kept_rollouts</code>), group by group, whatever they earned.
 All of them are in <code>rollouts/step-N.parquet</code> of the run's payload. Of long completions the middle is left out.
 A token's tooltip has its advantage and its log-probabilities.</p>
{% if rollouts %}<p><label>Run<select id="rollout-run"></select></label>
<label>Step<select id="rollout-step"></select></label>
<label>Colour<select id="rollout-colour"><option>advantage</option><option>log-probability</option></select></label>
<span id="rollout-shown" class="soft"></span></p>
<p class="soft" id="rollout-key"></p>
<div id="rollout-list"></div>
<script type="application/json" id="rollout-data">{{ rollouts_json }}</script>
<script>
{
  const kept = JSON.parse(document.getElementById("rollout-data").textContent);
  const [run, step, colour] = ["run", "step", "colour"].map(name => document.getElementById("rollout-" + name));
  const number = (value, digits) => value === null || value === undefined ? "none" : value.toFixed(digits);
  const likely = [[-0.1, ""], [-0.7, "p1"], [-2.3, "p2"], [-4.6, "p3"], [-Infinity, "p4"]];
  const keys = {
    "advantage": [["above 0", "up"], ["0", ""], ["below 0", "down"]],
    "log-probability": [["probability of at least 0.9", ""], ["0.5", "p1"], ["0.1", "p2"], ["0.01", "p3"], ["less", "p4"]],
  };
  const shade = (advantage, logprob) => colour.value === "advantage"
    ? advantage > 0 ? "up" : advantage < 0 ? "down" : ""
    : logprob === null ? "" : likely.find(([least]) => logprob >= least)[1];
  const text = c => {
    const block = make("pre"), left = c.length - c.tokens.length;
    c.tokens.forEach((token, i) => {
      if (left && i === c.tokens.length / 2) block.append(make("span", `\\n[... ${left} tokens left out ...]\\n`, "soft"));
      const advantage = Array.isArray(c.advantages) ? c.advantages[i] : c.advantages;
      const span = make("span", token, shade(advantage, c.engine[i]));
      const learner = c.learner ? number(c.learner[i], 2) : "not asked";
      span.title = `advantage ${number(advantage, 3)}, log-probability ${number(c.engine[i], 2)} (learner: ${learner})`;
      block.append(span);
    });
    return block;
  };
  const fill = (select, values) => select.replaceChildren(...values.map(value => make("option", String(value))));
  const show = () => {
    const one = kept.find(k => k.run === run.value && String(k.step) === step.value);
    document.getElementById("rollout-shown").textContent = `${one.completions.length} of ${one.of} shown`;
    document.getElementById("rollout-key").replaceChildren(...keys[colour.value].map(([word, cls]) => make("span", word, "tag " + cls)));
    let before = null;
    document.getElementById("rollout-list").replaceChildren(...one.completions.map(c => {
      const card = make("article"), head = make("div");
      const about = ` ${c.problem} · prompt ${c.place + 1} of the step, sample ${c.sample + 1} · ${c.length} tokens · ended by ${c.finish}`
        + ` · reward ${number(c.reward, 3)} · advantage ${number(c.advantage, 3)}` + (c.entered ? "" : " · not in the loss");
      head.append(make("span", c.status, "tag " + (c.correct ? "yes" : "no")), make("span", about, "soft"));
      card.append(head);
      if (c.place !== before) card.append(make("pre", c.prompt));
      before = c.place;
      card.append(text(c));
      return card;
    }));
  };
  const steps = () => { fill(step, kept.filter(k => k.run === run.value).map(k => k.step)); show(); };
  fill(run, [...new Set(kept.map(k => k.run))]);
  run.addEventListener("change", steps);
  step.addEventListener("change", show);
  colour.addEventListener("change", show);
  steps();
}
</script>{% endif %}
{% if rollouts_absent %}<details><summary>{{ rollouts_absent|length }} not shown</summary>
<ul>{% for sentence in rollouts_absent %}<li>{{ sentence }}</li>{% endfor %}</ul></details>{% endif %}
"""
