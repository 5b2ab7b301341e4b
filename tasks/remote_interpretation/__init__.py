"""Step 2, done elsewhere: another process's interpreter, by the Kairos contract, makes the Jenkinsfile.

Consumes the snapshot, the terms and the render settings of a deployment; produces a `jenkins_build` specification. Two
kinds of service speak the contract: our own (``smartclide interpreter serve``), which also takes an `exchange.Order`
and gives what the embedded interpreter would; and any other, which is sent a decided text (`plain`) and gives a
Jenkinsfile only. Secret values are sent to neither.
"""
