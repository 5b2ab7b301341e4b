import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.ReentrantLock
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

// One build: what is given, what comes out, and the baton. Jenkins runs the Groovy of all branches of a build in one
// thread and changes branches at steps; so here a branch is a thread that runs only while it holds the baton.
class Build {
  static final List RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED']

  final File home
  final Map given
  final Map stashes = [:]
  final List masks = []
  final Map set = [:]
  final StringBuffer console = new StringBuffer()
  final ReentrantLock baton = new ReentrantLock(true)
  final ThreadLocal<Place> place = ThreadLocal.withInitial { new Place() }
  String result = 'SUCCESS'
  String description
  String displayName
  private int numbers = 0

  Build(File home, Map given) {
    this.home = home
    this.given = given
  }

  // Where a branch is: its workspace, the variables around it, and the timeouts it is under.
  static class Place {
    File workspace
    Map variables = [:]
    List deadlines = []
  }

  static class Deadline {
    long at
    boolean fired
    boolean failFast
  }

  Place getHere() { place.get() }
  String getCurrentResult() { result }
  Map getPreviousBuild() { given.earlier }
  int number() { ++numbers }

  void worsen(String other) {
    result = RESULTS[Math.max(RESULTS.indexOf(result), RESULTS.indexOf(other))]
  }

  void log(String text) {
    for (mask in masks) {
      text = text.replace(mask, '****')
    }
    console.append(text.endsWith('\n') || !text ? text : text + '\n')
  }

  // Runs `body` at another place than the rest of the branch.
  def at(Map changes, Closure body) {
    Place before = here
    place.set(new Place([workspace: before.workspace, variables: before.variables, deadlines: before.deadlines] + changes))
    try {
      return body()
    } finally {
      place.set(before)
    }
  }

  // Does something that takes time while other branches go on.
  def away(Closure body) {
    baton.unlock()
    try {
      return body()
    } finally {
      baton.lock()
    }
  }

  // Ends a step that waits, once, when a timeout around it is over.
  void check() {
    for (deadline in here.deadlines) {
      if (!deadline.fired && System.currentTimeMillis() >= deadline.at) {
        deadline.fired = true
        throw deadline.failFast
          ? new FlowInterruptedException('Failed in another branch', true, true)
          : new FlowInterruptedException('Timeout has been exceeded', false)
      }
    }
  }

  // Waits until `done` says so.
  void await(Closure done, Closure interrupted = {}) {
    try {
      while (!away(done)) {
        check()
      }
    } catch (FlowInterruptedException e) {
      interrupted()
      throw e
    }
  }

  // Ends a process and what it started.
  static void ended(Process process) {
    List all = process.toHandle().descendants().collect(java.util.stream.Collectors.toList())
    process.destroy()
    all.each { it.destroy() }
    if (!process.waitFor(5, TimeUnit.SECONDS)) {
      all.each { it.destroyForcibly() }
      process.destroyForcibly().waitFor()
    }
  }

  // With `failFast` the first branch that fails ends what the others wait for, as a timeout would.
  void parallel(Map branches, boolean failFast) {
    Place outer = here
    List failures = []
    Map stops = branches.collectEntries { name, body -> [name, new Deadline(at: Long.MAX_VALUE, failFast: true)] }
    List threads = branches.collect { name, body ->
      Thread.start {
        baton.lock()
        try {
          List deadlines = outer.deadlines + [stops[name]]
          at([workspace: outer.workspace, variables: outer.variables, deadlines: deadlines], body)
        } catch (Throwable e) {
          failures.add(e)
          if (failFast) {
            stops.values().each { it.at = 0 }
          }
        } finally {
          baton.unlock()
        }
      }
    }
    away { threads*.join() }
    if (failures) {
      throw failures.find { !(it instanceof FlowInterruptedException) } ?: failures[0]
    }
  }
}
