"""Numbers of the report, from planted series whose answers are known."""

import csv
import io
import json
import math
import re
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from tasks.metrics.frames import frame
from tasks.report import render
from tasks.report.availability import availability
from tasks.report.plots import ReleaseMark, broken, dots, service_plots
from tasks.report.summary import summarise

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 2**20


def pod(minute, name, *, ready=True, desired=2, **more):
    at = (T0 + timedelta(minutes=minute)).isoformat()
    row = {
        "sampled_at": at, "time": at, "environment": "staging", "namespace": "n", "service": "hello", "pod": name,
        "pod_uid": f"uid-{name}", "ready": ready, "desired": desired, "restarts": 0, "source": "kubelet",
        "network_time": at, "cpu_request_cores": 0.1, "cpu_limit_cores": 0.5,
        "memory_request_bytes": 50 * MIB, "memory_limit_bytes": 100 * MIB,
    }  # fmt: skip
    return row | more


@pytest.fixture
def planted():
    """Ten minutes of two pods: CPU 0.01..0.10 and a steady 0.02, memory rising to 60 MiB, rx 600 B/min each."""
    rows = []
    for minute in range(10):
        rows.append(
            pod(
                minute,
                "a",
                cpu_cores=0.01 * (minute + 1),
                memory_bytes=(51 + minute) * MIB,
                network_rx_bytes=600 * minute,
                network_tx_bytes=1200 * minute,
                restarts=3 if minute < 5 else 5,
            )
        )
        rows.append(pod(minute, "b", cpu_cores=0.02, memory_bytes=10 * MIB, network_rx_bytes=600 * minute,
                        network_tx_bytes=0, ready=minute != 4))  # fmt: skip
    return frame(rows)


def test_the_summary_of_planted_series(planted):
    [row] = summarise(planted).to_dict("records")
    assert row["samples"] == 10
    assert row["available_share"] == 1.0
    assert row["complete_share"] == 0.9
    assert row["pods"] == 2
    assert row["cpu_mean_cores"] == pytest.approx(0.0375)
    assert row["cpu_max_cores"] == pytest.approx(0.10)
    assert row["cpu_p95_cores"] == pytest.approx(0.0905)  # linear interpolation at 0.95 * 19 = 18.05
    assert row["cpu_of_limit"] == pytest.approx(0.181)
    assert row["memory_max_bytes"] == 60 * MIB
    assert row["memory_of_limit"] == pytest.approx(0.6)
    assert row["memory_of_request"] == pytest.approx(1.2)
    assert row["network_rx_rate"] == pytest.approx(20.0)
    assert row["network_tx_rate"] == pytest.approx(20.0)
    assert row["restarts"] == 2
    assert row["gaps"] == 0


def test_a_service_without_pods_is_down(planted):
    outage = frame([{**pod(m, ""), "pod_uid": "", "ready": False, "gap": "no pods"} for m in (10, 11)])
    [row] = availability(pd.concat([planted, outage], ignore_index=True)).to_dict("records")
    assert (row["samples"], row["down_samples"]) == (12, 2)
    assert row["available_share"] == pytest.approx(10 / 12)


def test_a_service_scaled_to_zero_is_not_down():
    idle = frame([{**pod(0, "", desired=0), "pod_uid": "", "ready": False}])
    [row] = availability(idle).to_dict("records")
    assert (row["available_share"], row["complete_share"], row["down_samples"]) == (1.0, 1.0, 0)


def test_gaps_are_counted_with_their_reasons_and_figures_without_data_are_missing():
    table = frame([pod(m, "a", gap="no CPU, memory, network: refused", source="none") for m in range(3)])
    [row] = summarise(table).to_dict("records")
    assert (row["gaps"], row["gap_reasons"]) == (3, "no CPU, memory, network: refused")
    assert math.isnan(row["cpu_p95_cores"])
    [shown] = render.rows(summarise(table))
    assert (shown["CPU p95"], shown["Received"]) == ("no data", "no data")


def test_the_table_as_a_reader_sees_it(planted):
    assert render.rows(summarise(planted)) == [
        {
            "Service": "hello (staging)",
            "Available": "100 %",
            "All replicas": "90 %",
            "CPU p95": "91 m (18.1 % of limit)",
            "Memory max": "60.0 MiB (60 % of limit)",
            "Received": "20 B/s",
            "Sent": "20 B/s",
            "Restarts": "2",
            "Samples": "10",
            "Gaps": "0",
        }
    ]


def report(samples, **more):
    return render.Report(T0, T0 + timedelta(hours=1), summarise(samples), samples, **more)


def test_the_html_is_one_self_contained_page(planted):
    marks = [ReleaseMark("hello", "r7", T0 + timedelta(minutes=5))]
    page = render.html(report(planted, marks=marks, notes=["<script>alert(1)</script>"]))
    assert page.count("<svg") == 1
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r"(?:src|href)=[\"']https?://", page)
    assert ">r7<" in page  # SVG text, not outlines
    assert "hello (staging)" in page


def test_user_text_cannot_break_the_page(planted):
    evil = planted.assign(service="</svg><script>x</script>")
    assert "<script>" not in render.html(report(evil))


def test_markdown_csv_and_json_agree(planted):
    made = report(planted, releases=[{"service": "hello", "revision": 7}])
    assert "| hello (staging) | 100 % | 90 % |" in render.markdown(made)
    assert "| hello | 7 |" in render.markdown(made)
    content = json.loads(render.as_json(made))
    assert content["services"][0]["memory_max_bytes"] == 60 * MIB
    assert content["releases"] == [{"service": "hello", "revision": 7}]
    assert render.csv(made).splitlines()[0].startswith("environment,service,samples,available_share")
    assert len(render.csv(made).splitlines()) == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_text_of_the_tables_is_a_formula_of_a_spreadsheet_and_numbers_stay(planted, start):
    evil = f"{start}cmd|' /C calc'!A0"
    made = report(planted.assign(service=evil, pod=evil, gap=evil, cpu_cores=-0.5))
    for text, texts in ((render.csv(made), ["service"]), (render.as_csv(made.samples), ["service", "pod", "gap"])):
        first = next(csv.DictReader(io.StringIO(text, newline="")))
        assert [first[name] for name in texts] == [f"'{evil}"] * len(texts)
        assert first["environment"] == "staging"
        assert "-0.5" in first.values()
    assert made.samples["service"].tolist() == [evil] * 20


def test_a_report_of_nothing_says_so():
    empty = report(frame([]))
    assert "No samples in this period." in render.markdown(empty)
    assert "No samples in this period." in render.html(empty)
    assert json.loads(render.as_json(empty))["services"] == []


def test_lines_do_not_bridge_gaps():
    times = pd.Series(pd.to_datetime([0, 60, 120, 1000, 1060], unit="s", utc=True))
    _, values = broken(times, pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert [None if math.isnan(v) else v for v in values] == [1.0, 2.0, 3.0, None, 4.0, 5.0]


def test_the_same_samples_give_the_same_plot(planted):
    assert service_plots(planted, "hello") == service_plots(planted, "hello")


def test_a_single_sample_is_shown_in_its_minute_and_a_panel_without_values_says_so():
    svg = service_plots(frame([pod(0, "a", cpu_cores=0.1)]), "hello")
    assert svg.count(">no data<") == 2  # memory, network
    assert "2026-Jan-01 00:00" in svg


def test_many_samples_are_a_line_with_dots_only_where_gaps_are_on_both_sides():
    few = dots(pd.Series([1.0, math.nan, 2.0]))
    assert few["markevery"] == [True, False, True]
    many = dots(pd.Series([1.0] * 200 + [math.nan, 2.0, math.nan] + [3.0] * 2))
    assert [place for place, shown in enumerate(many["markevery"]) if shown] == [201]
