#include "client/cpp/cli/diagnosis_report.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/format.h"
#include "client/cpp/cli/table.h"

namespace firekeeper::client::cli {

namespace {

constexpr std::size_t kColumns = 100;
// More is in --json.
constexpr int kMaxEvidence = 6;
constexpr int kMaxRemedies = 6;
constexpr int kMaxRefusedRemedies = 3;
constexpr int kMaxLayers = 6;

// Words of `text` in lines of at most kColumns, the first after `first`, the
// others after as many blanks.
std::string Wrap(const std::string& first, const std::string& text) {
  const std::string indent(first.size(), ' ');
  std::string lines;
  std::string line = first;
  bool empty = true;
  for (const auto& word : absl::StrSplit(Printable(text), ' ')) {
    if (!empty && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&lines, line, "\n");
      line = indent;
      empty = true;
    }
    absl::StrAppend(&line, empty ? "" : " ", word);
    empty = false;
  }
  return absl::StrCat(lines, line, "\n");
}

std::string LayersOf(const v1::Finding& finding) {
  if (finding.layers().empty()) return "the whole run";
  std::vector<std::string> shown;
  for (const std::string& layer : finding.layers()) {
    if (shown.size() == kMaxLayers) break;
    shown.push_back(Printable(layer));
  }
  const int more = finding.layers_size() - static_cast<int>(shown.size());
  return absl::StrCat(absl::StrJoin(shown, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

std::string StepsOf(const v1::Finding& finding) {
  if (finding.last_step() <= finding.first_step()) {
    return absl::StrCat("step ", FormatStep(finding.first_step()));
  }
  return absl::StrCat("steps ", FormatStep(finding.first_step()), " to ",
                      FormatStep(finding.last_step()));
}

// What holds first, then what speaks against, what could not be seen last.
std::vector<const v1::Evidence*> Ordered(const v1::Finding& finding) {
  std::vector<const v1::Evidence*> evidence;
  for (const v1::Evidence& each : finding.evidence()) {
    evidence.push_back(&each);
  }
  const auto rank = [](const v1::Evidence* e) {
    if (e->not_observable()) return 2;
    return e->supports() ? 0 : 1;
  };
  std::ranges::stable_sort(evidence, [&](const auto* a, const auto* b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    return a->weight() > b->weight();
  });
  if (evidence.size() > kMaxEvidence) evidence.resize(kMaxEvidence);
  return evidence;
}

std::string EvidenceLine(const v1::Evidence& evidence) {
  return absl::StrCat(
      evidence.description(),
      evidence.layer().empty() ? "" : absl::StrCat(" (", evidence.layer(), ")"),
      ": ", FormatEvidence(evidence), "  [", evidence.signal(), "]");
}

const char* WordFor(const v1::Evidence& evidence) {
  if (evidence.not_observable()) return "unseen";
  return evidence.supports() ? "for" : "against";
}

std::vector<const v1::Remedy*> RemediesOf(const v1::Finding& finding,
                                          bool recommended, int most) {
  std::vector<const v1::Remedy*> remedies;
  for (const v1::Remedy& remedy : finding.remedies()) {
    if (static_cast<int>(remedies.size()) == most) break;
    if (remedy.recommended() == recommended) remedies.push_back(&remedy);
  }
  return remedies;
}

std::string Joined(std::vector<std::string> parts) {
  std::erase_if(parts, [](const std::string& part) { return part.empty(); });
  return absl::StrJoin(parts, "; ");
}

std::string Headline(const std::string& run_id,
                     const v1::DiagnoseRunResponse& diagnosis) {
  std::uint64_t dead = 0;
  std::uint64_t units = 0;
  for (const auto& layer : diagnosis.consequences().layers()) {
    dead += layer.dead_units();
    units += layer.unit_count();
  }
  const auto faults = std::ranges::count_if(
      diagnosis.findings(), [](const auto& f) { return f.is_fault(); });
  std::string found = absl::StrCat(faults, " causes found");
  if (faults == 0) found = "no fault found";
  if (faults == 1) found = "one cause found";
  return absl::StrCat(
      "run ", Printable(run_id), ", through step ",
      FormatStep(diagnosis.evaluated_through_step()), ": ", FormatCount(dead),
      " of ", FormatCount(units), " units dead (",
      FormatShare(diagnosis.consequences().lost_share()), "), ", found);
}

std::string CostOf(const v1::Consequences& consequences) {
  std::vector<std::string> parts;
  for (const auto& layer : consequences.layers()) {
    if (layer.dead_units() == 0) continue;
    parts.push_back(absl::StrCat(
        Printable(layer.layer()), " lost ", FormatShare(layer.lost_share()),
        layer.collapsed() ? " and passes no gradient" : ""));
  }
  if (consequences.stalled_after_deaths()) {
    parts.emplace_back("the loss stalled after the deaths");
  } else if (consequences.stalled()) {
    parts.emplace_back("the loss has stalled");
  }
  if (consequences.has_plateau_start_step()) {
    parts.push_back(
        absl::StrCat("the loss no longer falls from step ",
                     FormatStep(consequences.plateau_start_step())));
  }
  return absl::StrJoin(parts, "; ");
}

std::string OutcomeOf(const v1::RemedyOutcome& outcome) {
  const std::string before =
      outcome.before_attempt() > 0
          ? absl::StrCat("attempt ", outcome.before_attempt())
          : absl::StrCat("run ", Printable(outcome.before_run_id()));
  std::string verdict = "no difference shown";
  if (outcome.verdict() == v1::REMEDY_VERDICT_FEWER_DEAD) {
    verdict = "fewer units are dead";
  } else if (outcome.verdict() == v1::REMEDY_VERDICT_MORE_DEAD) {
    verdict = "more units are dead";
  }
  return absl::StrCat(
      "compared with ", before, " (", FormatCount(outcome.before_dead()),
      " of ", FormatCount(outcome.before_units()), " dead, now ",
      FormatCount(outcome.after_dead()), " of ",
      FormatCount(outcome.after_units()), "): ", verdict,
      "; the dead share changed by ", FormatReal(outcome.difference() * 100.0),
      " points (95 %: ", FormatReal(outcome.difference_low() * 100.0), " to ",
      FormatReal(outcome.difference_high() * 100.0), ")");
}

std::string UnseenOf(const v1::DiagnoseRunResponse& diagnosis) {
  std::vector<std::string> parts;
  for (const auto& cause : diagnosis.not_observable()) {
    parts.push_back(absl::StrCat(FormatCause(cause.cause()), " (needs ",
                                 absl::StrJoin(cause.missing(), ", "), ")"));
  }
  return absl::StrJoin(parts, "; ");
}

std::string ConsideredIn(const v1::Finding& finding) {
  std::vector<std::string> parts;
  for (const auto& considered : finding.considered()) {
    parts.push_back(absl::StrCat(FormatCause(considered.cause()), " (",
                                 considered.reason(), ")"));
  }
  return absl::StrJoin(parts, "; ");
}

std::string FindingText(int number, const v1::Finding& finding) {
  std::string text = absl::StrCat(
      number, ". ", absl::AsciiStrToUpper(FormatCause(finding.cause())),
      finding.is_fault() ? "" : " (no fault)", "   score ",
      FormatReal(finding.score()), "   ", StepsOf(finding), "   ",
      LayersOf(finding), "\n");
  absl::StrAppend(&text, Wrap("   ", finding.summary()));
  for (const v1::Evidence* evidence : Ordered(finding)) {
    std::string word = absl::StrCat("   ", WordFor(*evidence));
    word.resize(12, ' ');
    absl::StrAppend(&text, Wrap(word, EvidenceLine(*evidence)));
  }
  int rank = 0;
  for (const auto* remedy : RemediesOf(finding, true, kMaxRemedies)) {
    std::string head = absl::StrCat("   do ", ++rank, ".");
    head.resize(12, ' ');
    absl::StrAppend(&text, Wrap(head, absl::StrCat(remedy->title(), ": ",
                                                   remedy->action())));
    absl::StrAppend(&text,
                    Wrap("            ", Joined({remedy->expected_effect(),
                                                 remedy->measured_support()})));
  }
  for (const auto* remedy : RemediesOf(finding, false, kMaxRefusedRemedies)) {
    absl::StrAppend(
        &text, Wrap("   not      ",
                    absl::StrCat(remedy->title(), ": ", remedy->reason())));
  }
  if (const std::string others = ConsideredIn(finding); !others.empty()) {
    absl::StrAppend(&text, Wrap("   weighed  ", others));
  }
  return text;
}

std::string FindingMarkdown(int number, const v1::Finding& finding) {
  std::string text = absl::StrCat(
      "\n## ", number, ". ", FormatCause(finding.cause()),
      finding.is_fault() ? "" : " (no fault)", "\n\nScore ",
      FormatReal(finding.score()), ", ", StepsOf(finding), ", ",
      LayersOf(finding), ". ", Printable(finding.summary()),
      "\n\n| evidence | measured | signal | |\n|---|---|---|---|\n");
  for (const v1::Evidence* evidence : Ordered(finding)) {
    absl::StrAppend(&text, "| ", Printable(evidence->description()),
                    evidence->layer().empty()
                        ? ""
                        : absl::StrCat(" (", Printable(evidence->layer()), ")"),
                    " | ", FormatEvidence(*evidence), " | ",
                    Printable(evidence->signal()), " | ", WordFor(*evidence),
                    " |\n");
  }
  absl::StrAppend(&text, "\n");
  int rank = 0;
  for (const auto* remedy : RemediesOf(finding, true, kMaxRemedies)) {
    absl::StrAppend(&text, ++rank, ". **", Printable(remedy->title()),
                    "**: ", Printable(remedy->action()), ". ",
                    Printable(Joined({remedy->expected_effect(),
                                      remedy->measured_support()})),
                    "\n");
  }
  for (const auto* remedy : RemediesOf(finding, false, kMaxRefusedRemedies)) {
    absl::StrAppend(&text, "- would not help: **", Printable(remedy->title()),
                    "**: ", Printable(remedy->reason()), "\n");
  }
  return text;
}

// The lines below the findings: label and text.
std::vector<std::pair<std::string, std::string>> Remarks(
    const v1::DiagnoseRunResponse& diagnosis) {
  std::vector<std::pair<std::string, std::string>> remarks{
      {"cost", CostOf(diagnosis.consequences())},
      {"remedy", diagnosis.has_remedy_outcome()
                     ? OutcomeOf(diagnosis.remedy_outcome())
                     : ""},
      {"cannot be told", UnseenOf(diagnosis)}};
  std::erase_if(remarks,
                [](const auto& remark) { return remark.second.empty(); });
  return remarks;
}

}  // namespace

std::string FormatCause(v1::Cause cause) {
  return absl::StrReplaceAll(EnumName(*v1::Cause_descriptor(), cause),
                             {{"_", " "}});
}

std::string FormatEvidence(const v1::Evidence& evidence) {
  if (evidence.not_observable()) return "not streamed";
  const bool above = evidence.comparison() == v1::COMPARISON_ABOVE ||
                     evidence.comparison() == v1::COMPARISON_AT_LEAST;
  // Says how the number stands, not how it would have to.
  const char* relation = "=";
  if (evidence.measured() > evidence.threshold()) relation = ">";
  if (evidence.measured() < evidence.threshold()) relation = "<";
  return absl::StrCat(FormatReal(evidence.measured()), " ", relation, " ",
                      FormatReal(evidence.threshold()),
                      evidence.supports() ? ""
                      : above             ? " (would have to be above)"
                                          : " (would have to be below)");
}

std::string TextReport(const std::string& run_id,
                       const v1::DiagnoseRunResponse& diagnosis) {
  std::string text = absl::StrCat(Headline(run_id, diagnosis), "\n");
  int number = 0;
  for (const v1::Finding& finding : diagnosis.findings()) {
    absl::StrAppend(&text, "\n", FindingText(++number, finding));
  }
  const auto remarks = Remarks(diagnosis);
  if (!remarks.empty()) absl::StrAppend(&text, "\n");
  for (const auto& [label, remark] : remarks) {
    absl::StrAppend(&text, Wrap(absl::StrCat(label, ": "), remark));
  }
  return text;
}

std::string MarkdownReport(const std::string& run_id,
                           const v1::DiagnoseRunResponse& diagnosis) {
  std::string text =
      absl::StrCat("# Firekeeper: ", Headline(run_id, diagnosis), "\n");
  int number = 0;
  for (const v1::Finding& finding : diagnosis.findings()) {
    absl::StrAppend(&text, FindingMarkdown(++number, finding));
  }
  const auto remarks = Remarks(diagnosis);
  if (!remarks.empty()) absl::StrAppend(&text, "\n");
  for (const auto& [label, remark] : remarks) {
    absl::StrAppend(&text, "- ", label, ": ", Printable(remark), "\n");
  }
  return text;
}

}  // namespace firekeeper::client::cli
